import { encode } from './uqr.js';

const SVG = 'http://www.w3.org/2000/svg';

function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Black on white, in every light: cameras want it so. */
export function drawQr(text, label) {
  const { data, size } = encode(text, { border: 4 });
  const dots = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  const image = draw('svg', { viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': label, class: 'qr' });
  image.append(
    draw('rect', { width: size, height: size, fill: '#fff' }),
    draw('path', { d: dots.join(''), fill: '#000', 'shape-rendering': 'crispEdges' }),
  );
  return image;
}
