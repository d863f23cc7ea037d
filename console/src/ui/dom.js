// Elements. Text is only ever set as text: names and values of keys are strangers' words.

/** @typedef {Node | string | number | null | undefined | false} Child */

/** Properties are set as such when the element has them, as attributes otherwise; `on…` are listeners, `class` is the
 * class, `vars` are CSS variables, null and false leave an attribute out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [props] @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]} */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(.../** @type {(Node | string)[]} */ (children.flat().filter(isShown).map(asNode)));
  return element;
}

/** @param {Child} child */
const isShown = (child) => child !== null && child !== undefined && child !== false;
/** @param {Child} child */
const asNode = (child) => (child instanceof Node ? child : String(child));

/** @param {HTMLElement} element @param {string} name @param {any} value */
function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name === 'class') element.className = value;
  else if (name === 'vars') for (const key of Object.keys(value)) element.style.setProperty(key, value[key]);
  else if (name === 'value') /** @type {HTMLInputElement} */ (element).value = value;
  else element.setAttribute(name, value === true ? '' : String(value));
}

/** Replaces the children. @param {Element} element @param {...(Child | Child[])} children */
export function fill(element, ...children) {
  element.replaceChildren(.../** @type {(Node | string)[]} */ (children.flat().filter(isShown).map(asNode)));
}

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = {
  overview: 'M3 12h4l3-8 4 16 3-8h4',
  keys: 'M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3zm0 0v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3',
  shell: 'M4 17l6-5-6-5M12 19h8',
  pubsub: 'M12 12h.01M8.5 15.5a5 5 0 010-7M15.5 8.5a5 5 0 010 7M5.6 18.4a9 9 0 010-12.8M18.4 5.6a9 9 0 010 12.8',
  monitor: 'M2 12s3.6-7 10-7 10 7 10 7-3.6 7-10 7-10-7-10-7zM12 9a3 3 0 110 6 3 3 0 010-6z',
  slowlog: 'M12 7v5l3 3M12 3a9 9 0 110 18 9 9 0 010-18z',
  clients:
    'M16 20v-1.5a3.5 3.5 0 00-3.5-3.5h-6A3.5 3.5 0 003 18.5V20M9.5 4a3.5 3.5 0 110 7 3.5 3.5 0 010-7M21 20v-1.5a3.5 3.5 0 00-2.5-3.3M15.5 4.2a3.5 3.5 0 010 6.6',
  sun: 'M12 8a4 4 0 110 8 4 4 0 010-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  moon: 'M20.5 14.5A8.5 8.5 0 019.5 3.5a8.5 8.5 0 1011 11z',
  auto: 'M12 3a9 9 0 110 18 9 9 0 010-18zM12 3v18M12 8l6.5-2M12 13l8.5-2M12 18l7.5-2',
  leave: 'M15 4h4a1 1 0 011 1v14a1 1 0 01-1 1h-4M10 8l-4 4 4 4M6 12h9',
  refresh: 'M20 11a8 8 0 10-2.3 6.3M20 5v6h-6',
  plus: 'M12 5v14M5 12h14',
  trash: 'M4 7h16M10 11v6M14 11v6M6 7l1 13h10l1-13M9 7V4h6v3',
  edit: 'M4 20h4L19 9l-4-4L4 16v4zM13 7l4 4',
  back: 'M15 5l-7 7 7 7',
  search: 'M11 4a7 7 0 110 14 7 7 0 010-14zM16 16l4.5 4.5',
  close: 'M6 6l12 12M18 6L6 18',
  play: 'M7 4l13 8-13 8V4z',
  pause: 'M8 5v14M16 5v14',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  upload: 'M12 16V5M7 9l5-5 5 5M5 20h14',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
};

/** @param {keyof typeof ICONS} name decorative: whoever carries it has a label */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg'),
    path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** @typedef {keyof typeof ICONS} IconName */

/** A button of an icon alone. @param {IconName} name @param {string} label @param {Record<string, any>} [props] */
export function iconButton(name, label, props = {}) {
  return h(
    'button',
    { type: 'button', title: label, 'aria-label': label, ...props, class: `icon-button ${props.class ?? ''}` },
    icon(name),
  );
}

/** @param {IconName} name @param {string} label @param {Record<string, any>} [props] */
export function button(name, label, props = {}) {
  return h(
    'button',
    { type: 'button', ...props, class: `button ${props.class ?? ''}` },
    icon(name),
    h('span', {}, label),
  );
}
