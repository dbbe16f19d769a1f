// Regions and overlaps of one sequence, as the report has packed them: see trackbench/reports/page/traces.py.

const SCALE = 10;
const SEPARATOR = -900000000;

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Returns for each frame an array of numbers in pixels: none, x y w h, or corners with null between rings.
function readShapes(reader, frames) {
  const counts = reader.int32(frames);
  const [total] = reader.int32(1);
  const flat = reader.int32(total);
  const shapes = [];
  let start = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    const count = counts[frame];
    if (frame && counts[frame - 1] === count) for (let k = start; k < start + count; k += 1) flat[k] += flat[k - count];
    shapes.push(Array.from(flat.subarray(start, start + count), (value) => (value < SEPARATOR ? null : value / SCALE)));
    start += count;
  }
  return shapes;
}

function reading(buffer) {
  let at = 0;
  const take = (Kind, count) => {
    const array = new Kind(buffer.slice(at, at + count * Kind.BYTES_PER_ELEMENT));
    at += count * Kind.BYTES_PER_ELEMENT;
    return array;
  };
  return { int32: (n) => take(Int32Array, n), uint16: (n) => take(Uint16Array, n), uint8: (n) => take(Uint8Array, n) };
}

async function readSequence(place, number) {
  const trace = page.document.datasets[place].traces[number];
  const reader = reading(await inflate(document.getElementById(`trace-${place}-${number}`).textContent));
  const { frames } = trace;
  const truth = readShapes(reader, frames);
  const tracks = trace.trackers.map((label) => {
    const shapes = readShapes(reader, frames);
    const overlaps = Array.from(reader.uint16(frames), (value) => (value === 65535 ? null : value / 10000));
    const failures = [];
    reader.uint8(frames).forEach((failed, frame) => {
      if (failed) failures.push(frame);
    });
    return { label, shapes, overlaps, failures, errors: shapes.map((shape, frame) => centreError(shape, truth[frame])) };
  });
  const texts = JSON.parse(document.getElementById(`images-${place}-${number}`).textContent);
  const images = new Map(trace.images.map((frame, k) => [frame, `data:image/jpeg;base64,${texts[k]}`]));
  return { ...trace, truth, tracks, images };
}

function centre(shape) {
  if (!shape.length) return null;
  if (shape.length === 4) return [shape[0] + shape[2] / 2, shape[1] + shape[3] / 2];
  const bounds = [0, 1].map((axis) => {
    const values = shape.filter((value, k) => value !== null && k % 2 === axis);
    return (Math.min(...values) + Math.max(...values)) / 2;
  });
  return bounds;
}

function centreError(shape, truth) {
  const [a, b] = [centre(shape), centre(truth)];
  return a && b && !(truth.length === 4 && !(truth[2] > 0 && truth[3] > 0)) ? Math.hypot(a[0] - b[0], a[1] - b[1]) : null;
}

function shapePath(shape) {
  if (shape.length === 4) return `M${shape[0]} ${shape[1]}h${shape[2]}v${shape[3]}h${-shape[2]}Z`;
  let [path, pen] = ["", "M"];
  for (let k = 0; k < shape.length; k += 2) {
    if (shape[k] === null) {
      path += "Z";
      pen = "M";
    } else {
      path += `${pen}${shape[k]} ${shape[k + 1]}`;
      pen = "L";
    }
  }
  return path ? `${path}Z` : "";
}
