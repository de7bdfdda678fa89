// Programs that ask this very service, to copy.

/** One program for each language: {name, text}. Without the key itself, which belongs in no file. */
export function codeSamples({ base, needsKey }) {
  const url = new URL("v1/predict", base).href;
  return [
    { name: "curl", text: curl(url, needsKey) },
    { name: "Python", text: python(url, needsKey) },
    { name: "JavaScript", text: javaScript(url, needsKey) },
  ];
}

function curl(url, needsKey) {
  return `curl -F file=@photo.jpg ${needsKey ? "-H \"X-API-Key: $API_KEY\" " : ""}${url}`;
}

function python(url, needsKey) {
  return `import json
${needsKey ? "import os\n" : ""}import urllib.request

with open("photo.jpg", "rb") as photo:
    request = urllib.request.Request("${url}", photo.read())
request.add_header("Content-Type", "application/octet-stream")
${needsKey ? "request.add_header(\"X-API-Key\", os.environ[\"API_KEY\"])\n" : ""}with urllib.request.urlopen(request) as response:
    answer = json.load(response)
if "abstained" in answer:  # unknown or unsure: there is no label
    print("The model does not know:", answer["abstained"])
for item in answer["predictions"]:
    print(item["label"], item["probability"])`;
}

function javaScript(url, needsKey) {
  return `async function predict(file${needsKey ? ", key" : ""}) {
  const form = new FormData();
  form.append("file", file);
  const response = await fetch("${url}", {
    method: "POST",
    body: form,${needsKey ? "\n    headers: { \"X-API-Key\": key }," : ""}
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}`;
}
