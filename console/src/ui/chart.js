// Charts over time: uPlot, with our colours, a legend that reads as text, and one cursor for all.
import uPlot from 'uplot';
import { fill, h } from './dom.js';

/** @typedef {{label: string, color: string, fill?: boolean}} Line */
/** `top`: where the axis always ends; `least`: its end is never lower; `incrs`: distances of its marks.
 * @typedef {{format: (value: number) => string, top?: number, least?: number, incrs?: number[]}} Scale */

const HEIGHT = 170;
const LEAST_SECONDS = 60; // so that the first samples do not fill the width
const cursors = uPlot.sync('time');

/** @param {string} name */
function cssColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @param {string} color `#rrggbb` @param {number} alpha */
const faded = (color, alpha) =>
  color +
  Math.round(alpha * 255)
    .toString(16)
    .padStart(2, '0');

export class Chart {
  /** @param {string} title @param {Line[]} lines @param {Scale} scale */
  constructor(title, lines, scale) {
    this.lines = lines;
    this.scale = scale;
    this.format = scale.format;
    /** @type {uPlot.AlignedData} */
    this.data = [[], ...lines.map(() => [])];
    this.values = lines.map(() => h('b', {}, '–'));
    this.box = h('div', { class: 'chart-box', role: 'img', 'aria-label': `${title}, the last minutes` });
    this.element = h(
      'section',
      { class: 'panel chart', 'aria-label': title },
      h(
        'header',
        { class: 'panel-head' },
        h('h2', {}, title),
        h(
          'div',
          { class: 'legend' },
          lines.map((line, i) => h('span', { vars: { '--color': `var(${line.color})` } }, line.label, this.values[i])),
        ),
      ),
      this.box,
    );
    this.width = 0;
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.box);
  }

  /** Colours are read when it is drawn first, and again when the theme changes. */
  draw() {
    this.plot?.destroy();
    this.plot = undefined;
    const width = this.box.clientWidth;
    if (!width || !this.data[0].length) return;
    this.plot = new uPlot(this.options(width), this.data, this.box);
    this.width = width;
  }

  /** @param {number} width @returns {uPlot.Options} */
  options(width) {
    const grid = { stroke: cssColor('--grid'), width: 1 },
      stroke = cssColor('--text-3');
    const font = '11px system-ui, sans-serif';
    const axis = { stroke, grid, font, ticks: { show: false } };
    return {
      width,
      height: HEIGHT,
      padding: [10, 6, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: cursors.key }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { range: (_plot, min, max) => [Math.min(min, max - LEAST_SECONDS), max] },
        y: { range: (_plot, _min, max) => [0, this.scale.top ?? Math.max((max ?? 0) * 1.15, this.scale.least ?? 1)] },
      },
      axes: [
        {
          ...axis,
          size: 28,
          space: 80,
          values: (_plot, splits) => splits.map((s) => new Date(s * 1000).toLocaleTimeString('en', { hour12: false })),
        },
        { ...axis, size: 66, space: 32, incrs: this.scale.incrs, values: (_plot, splits) => splits.map(this.format) },
      ],
      series: [{}, ...this.lines.map((line) => this.series(line))],
      hooks: { setCursor: [(plot) => this.showValues(plot.cursor.idx)] },
    };
  }

  /** @param {Line} line @returns {uPlot.Series} */
  series(line) {
    const color = cssColor(line.color);
    return {
      label: line.label,
      stroke: color,
      width: 1.75,
      points: { show: false },
      spanGaps: false,
      fill: line.fill ? faded(color, 0.14) : undefined,
    };
  }

  /** @param {number | null | undefined} index none: the latest */
  showValues(index) {
    const at = index ?? this.data[0].length - 1;
    this.lines.forEach((_line, i) => {
      const value = this.data[i + 1][at];
      fill(this.values[i], value === null || value === undefined ? '–' : this.format(value));
    });
  }

  /** @param {uPlot.AlignedData} data */
  update(data) {
    this.data = data;
    if (!this.plot) this.draw();
    else this.plot.setData(data);
    this.showValues(this.plot?.cursor.idx);
  }

  resize() {
    const width = this.box.clientWidth;
    if (!width || width === this.width) return;
    if (this.plot) this.plot.setSize({ width, height: HEIGHT });
    else this.draw();
    this.width = width;
  }

  destroy() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }
}
