// Draws a class activation map over a photo. Independent of the page around the canvas.

const LONG_SIDE = 1024; // of the canvas, pixels; the browser scales it to the photo
const MAP_SIDE = 160; // side of the smooth map, pixels
// Five of the 256 colours of inferno (matplotlib, CC0).
const COLOURS = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const MAX_OPACITY = 0.72;

/**
 * @param {HTMLCanvasElement} canvas lies over the whole photo
 * @param {{values: number[][], box: number[]}} heatmap values from 0 to 1; box [left, top, right, bottom] in photo pixels
 * @param {{width: number, height: number}} photo upright, pixels
 * @returns {boolean} whether a part of the photo is outside the box, and was shaded
 */
export function drawHeatmap(canvas, heatmap, photo) {
  const scale = LONG_SIDE / Math.max(photo.width, photo.height);
  canvas.width = Math.max(1, Math.round(photo.width * scale));
  canvas.height = Math.max(1, Math.round(photo.height * scale));
  const [left, top, right, bottom] = heatmap.box.map((side) => side * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(smoothMap(heatmap.values), left, top, right - left, bottom - top);
  return shadeOutside(context, left, top, right - left, bottom - top);
}

/** Shade what is outside the box, which the model does not see. */
function shadeOutside(context, left, top, width, height) {
  const { width: fullWidth, height: fullHeight } = context.canvas;
  if (width >= fullWidth - 2 && height >= fullHeight - 2) return false;
  context.beginPath();
  context.rect(0, 0, fullWidth, fullHeight);
  context.rect(left, top, width, height);
  context.fillStyle = "rgb(0 0 0 / 0.5)";
  context.fill("evenodd");
  context.strokeStyle = "rgb(255 255 255 / 0.7)";
  context.lineWidth = 2;
  context.strokeRect(left, top, width, height);
  return true;
}

function smoothMap(values) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = MAP_SIDE;
  const context = canvas.getContext("2d");
  const image = context.createImageData(MAP_SIDE, MAP_SIDE);
  for (let y = 0; y < MAP_SIDE; y++) {
    for (let x = 0; x < MAP_SIDE; x++) {
      const value = sample(values, (x + 0.5) / MAP_SIDE, (y + 0.5) / MAP_SIDE);
      image.data.set(colour(value), 4 * (y * MAP_SIDE + x));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Cubic interpolation (Catmull-Rom) at a point in 0..1; each value is at the centre of its cell. */
function sample(values, x, y) {
  const rows = weights(y * values.length - 0.5, values.length);
  const columns = weights(x * values[0].length - 0.5, values[0].length);
  let sum = 0;
  for (const [row, rowWeight] of rows) {
    for (const [column, columnWeight] of columns) sum += values[row][column] * rowWeight * columnWeight;
  }
  return Math.min(1, Math.max(0, sum));
}

function weights(position, count) {
  const first = Math.floor(position);
  const t = position - first;
  const cubic = [
    ((2 - t) * t - 1) * t / 2,
    ((3 * t - 5) * t * t + 2) / 2,
    ((4 - 3 * t) * t + 1) * t / 2,
    (t - 1) * t * t / 2,
  ];
  return cubic.map((weight, index) => [Math.min(count - 1, Math.max(0, first - 1 + index)), weight]);
}

function colour(value) {
  const position = value * (COLOURS.length - 1);
  const index = Math.min(COLOURS.length - 2, Math.floor(position));
  const part = position - index;
  const mix = COLOURS[index].map((channel, number) => channel + part * (COLOURS[index + 1][number] - channel));
  const rise = Math.min(1, Math.max(0, (value - 0.1) / 0.7));
  return [...mix, 255 * MAX_OPACITY * rise * rise * (3 - 2 * rise)];
}
