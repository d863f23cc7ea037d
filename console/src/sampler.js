// Asks the server for its figures once a second, from the first page on, and keeps the last minutes of them.
import { LoginError, OfflineError, ReplyError, pipeline } from './api.js';
import { callsBetween, parseHistograms, parseInfo, percentile } from './info.js';

const PERIOD_MS = 1000;
const KEPT = 300;
/** What is asked; MONITOR's page leaves these lines out, and the percentiles these commands. */
export const POLL = [
  ['INFO', 'server', 'clients', 'memory', 'persistence', 'stats', 'cpu', 'commandstats', 'keyspace', 'keytypes'],
  ['LATENCY', 'HISTOGRAM'],
];
const OWN = new Set(['info', 'latency|histogram', 'hotkeys|get', 'memory|bigkeys', 'slowlog|get']);

/** @typedef {'time' | 'commands' | 'p50' | 'p99' | 'p999' | 'used' | 'rss' | 'hitRate' | 'clients' | 'blocked' |
 *   'bytesIn' | 'bytesOut' | 'expired' | 'evicted' | 'cpu' | 'errors'} SeriesName */
/** @typedef {import('./info.js').Info} Info */

/** @param {Info} info @param {string} field */
const number = (info, field) => Number(info[field] ?? 0);

/** Dispatches 'sample' after each answer, and 'state' when `state` changes. */
export class Sampler extends EventTarget {
  constructor() {
    super();
    /** @type {'starting' | 'live' | 'offline' | 'refused' | 'login'} */
    this.state = 'starting';
    this.problem = '';
    /** @type {Info} */
    this.info = {};
    /** Between the last two answers: calls per second by command. @type {Info} */
    this.infoBefore = {};
    this.seconds = 1;
    this.histograms = new Map();
    /** @type {Partial<Record<SeriesName, (number | null)[]>>} */
    this.series = {};
    this.at = 0;
    this.timer = 0;
    this.run = 0;
  }

  start() {
    this.stop();
    this.step(++this.run);
  }

  stop() {
    clearTimeout(this.timer);
    this.run++; // an answer that is still to come starts nothing
  }

  /** @param {number} run */
  async step(run) {
    try {
      const [info, histograms] = await pipeline(POLL);
      if (info instanceof Error) throw info;
      this.note(parseInfo(String(info)), histograms instanceof Error ? new Map() : parseHistograms(histograms));
      this.setState('live', '');
    } catch (error) {
      this.fail(error);
    }
    if (run === this.run && this.state !== 'login') this.timer = setTimeout(() => this.step(run), PERIOD_MS);
  }

  /** @param {unknown} error */
  fail(error) {
    if (error instanceof LoginError) this.setState('login', '');
    else if (error instanceof OfflineError) this.setState('offline', error.message);
    else if (error instanceof ReplyError) this.setState('refused', error.message);
    else throw error;
    this.at = 0; // no rates over a gap
  }

  /** @param {Sampler['state']} state @param {string} problem */
  setState(state, problem) {
    const changed = state !== this.state || problem !== this.problem;
    this.state = state;
    this.problem = problem;
    if (changed) this.dispatchEvent(new Event('state'));
  }

  /** @param {Info} info @param {Map<string, Map<number, number>>} histograms */
  note(info, histograms) {
    const now = performance.now(),
      same = this.at > 0 && this.info.run_id === info.run_id;
    const before = same ? this.info : info;
    this.seconds = same ? (now - this.at) / 1000 : 1;
    if (same || !this.at) this.push(info, before, histograms, same);
    this.infoBefore = before;
    this.info = info;
    this.histograms = histograms;
    this.at = now;
    this.dispatchEvent(new Event('sample'));
  }

  /** @param {Info} info @param {Info} before @param {Map<string, Map<number, number>>} histograms @param {boolean} same */
  push(info, before, histograms, same) {
    const rate = (/** @type {string} */ field) =>
      same ? Math.max(0, number(info, field) - number(before, field)) / this.seconds : null;
    const calls = callsBetween(same ? this.histograms : histograms, histograms, OWN);
    const hits = rate('keyspace_hits') ?? 0,
      lookups = hits + (rate('keyspace_misses') ?? 0);
    const user = rate('used_cpu_user'),
      system = rate('used_cpu_sys');
    this.add({
      time: Date.now() / 1000,
      commands: rate('total_commands_processed'),
      p50: percentile(calls, 0.5),
      p99: percentile(calls, 0.99),
      p999: percentile(calls, 0.999),
      used: number(info, 'used_memory'),
      rss: number(info, 'used_memory_rss'),
      hitRate: lookups ? (hits * 100) / lookups : null,
      clients: number(info, 'connected_clients'),
      blocked: number(info, 'blocked_clients'),
      bytesIn: rate('total_net_input_bytes'),
      bytesOut: rate('total_net_output_bytes'),
      expired: rate('expired_keys'),
      evicted: rate('evicted_keys'),
      errors: rate('total_error_replies'),
      cpu: user === null || system === null ? null : (user + system) * 100,
    });
  }

  /** @param {Record<SeriesName, number | null>} values */
  add(values) {
    for (const name of /** @type {SeriesName[]} */ (Object.keys(values))) {
      const list = (this.series[name] ??= []);
      list.push(values[name]);
      if (list.length > KEPT) list.shift();
    }
  }

  /** @param {SeriesName[]} names @returns {any} time first */
  columns(names) {
    return ['time', ...names].map((name) => this.series[/** @type {SeriesName} */ (name)] ?? []);
  }

  /** @param {SeriesName} name @returns {number | null} */
  last(name) {
    return this.series[name]?.at(-1) ?? null;
  }
}
