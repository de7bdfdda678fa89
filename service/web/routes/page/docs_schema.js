// Reads an OpenAPI document: examples of its schemas, and whether they hold bytes.

export const PHOTO_PLACEHOLDER = "the photo in base64";

/** The schema itself, where it is only referred to. */
export function resolve(schema, document) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.split("/").slice(1).reduce((found, name) => found[name], document);
}

/** An example of a schema, as a value for JSON. Optional properties are left out unless `all`. */
export function example(schema, document, all = false) {
  const found = resolve(schema, document);
  if ("default" in found) return found.default;
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(found.anyOf[0], document, all);
  if (found.contentEncoding === "base64") return PHOTO_PLACEHOLDER;
  if (found.type === "array") return found.maxItems === 0 ? [] : [example(found.items, document, all)];
  if (found.type === "object") return exampleObject(found, document, all);
  return { string: "text", integer: found.minimum ?? 0, number: found.minimum ?? 0, boolean: true }[found.type] ?? null;
}

function exampleObject({ properties = {}, required = [] }, document, all) {
  const names = Object.keys(properties).filter((name) => all || required.includes(name) || isPhoto(properties[name]));
  return Object.fromEntries(names.map((name) => [name, example(properties[name], document, all)]));
}

/** Whether a value holds an encoded photo somewhere. */
function isPhoto(schema) {
  if (schema.anyOf) return schema.anyOf.some(isPhoto);
  return schema.contentEncoding === "base64" || (schema.type === "array" && isPhoto(schema.items));
}

/** Whether a schema is plain bytes. */
export function isBinary(schema, document) {
  return resolve(schema, document).format === "binary";
}
