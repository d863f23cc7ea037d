// Lines that come as they happen: the newest at the end, the oldest leave, and a reader who has scrolled up is left alone.
import { fill, h } from './dom.js';

const LINES_MAX = 1000;

export class Tail {
  /** @param {string} label @param {HTMLElement} empty shown before the first line */
  constructor(label, empty) {
    this.lines = h('ol', { class: 'tail-lines' });
    this.element = h('div', { class: 'tail', role: 'log', 'aria-label': label, tabindex: '0' }, empty, this.lines);
    this.empty = empty;
    /** @type {HTMLElement[]} */
    this.waiting = [];
    this.paused = false;
    this.filter = '';
    this.count = 0;
    this.scheduled = false;
  }

  /** @param {HTMLElement} line */
  add(line) {
    this.count++;
    this.waiting.push(line);
    if (this.waiting.length > LINES_MAX) this.waiting.shift();
    if (this.scheduled || this.paused) return;
    this.scheduled = true;
    setTimeout(() => this.flush(), 50); // many lines, one layout
  }

  flush() {
    this.scheduled = false;
    if (this.paused || !this.waiting.length) return;
    const { element, lines } = this,
      follows = element.scrollTop + element.clientHeight >= element.scrollHeight - 40;
    this.empty.remove();
    for (const line of this.waiting) line.hidden = !this.matches(line);
    lines.append(...this.waiting);
    this.waiting = [];
    while (lines.childElementCount > LINES_MAX) lines.firstElementChild?.remove();
    if (follows) element.scrollTop = element.scrollHeight;
  }

  /** @param {HTMLElement} line */
  matches(line) {
    return !this.filter || (line.textContent ?? '').toLowerCase().includes(this.filter);
  }

  /** @param {string} text */
  setFilter(text) {
    this.filter = text.toLowerCase();
    for (const line of /** @type {Iterable<HTMLElement>} */ (this.lines.children)) line.hidden = !this.matches(line);
  }

  /** @param {boolean} paused */
  setPaused(paused) {
    this.paused = paused;
    this.flush();
  }

  clear() {
    this.waiting = [];
    this.count = 0;
    fill(this.lines);
  }
}

/** Pause, clear and filter for a tail. @param {Tail} tail */
export function tailTools(tail) {
  const pause = h(
    'button',
    {
      type: 'button',
      class: 'button',
      'aria-pressed': 'false',
      onclick: () => {
        tail.setPaused(!tail.paused);
        pause.setAttribute('aria-pressed', String(tail.paused));
        fill(pause, tail.paused ? 'Go on' : 'Pause');
      },
    },
    'Pause',
  );
  return [
    h('input', {
      type: 'search',
      class: 'small',
      'aria-label': 'Show only lines with',
      placeholder: 'Filter',
      oninput: (/** @type {Event} */ e) => tail.setFilter(/** @type {HTMLInputElement} */ (e.target).value),
    }),
    pause,
    h('button', { type: 'button', class: 'button', onclick: () => tail.clear() }, 'Clear'),
  ];
}
