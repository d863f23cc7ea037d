// The frame around the pages: navigation, state of the connection, theme, login.
import { api, dropCredential, hasCredential } from './api.js';
import { showLogin } from './login.js';
import { showClients } from './pages/clients.js';
import { showKeys } from './pages/keys.js';
import { showMonitor } from './pages/monitor.js';
import { showOverview } from './pages/overview.js';
import { showPubsub } from './pages/pubsub.js';
import { showShell } from './pages/shell.js';
import { showSlowlog } from './pages/slowlog.js';
import { Sampler } from './sampler.js';
import { applyTheme, chosenTheme, chooseTheme } from './theme.js';
import { fill, h, icon, iconButton } from './ui/dom.js';

/** What a page gets: where to draw, what stands in the address behind its name, and a signal for its end.
 * @typedef {{root: HTMLElement, path: string[], signal: AbortSignal, sampler: Sampler}} Page */
/** @typedef {import('./ui/dom.js').IconName} IconName */
/** @typedef {{name: IconName, title: string, short: string, show: (page: Page) => void}} Route */

/** @type {Route[]} */
const ROUTES = [
  { name: 'overview', title: 'Overview', short: 'Overview', show: showOverview },
  { name: 'keys', title: 'Keys', short: 'Keys', show: showKeys },
  { name: 'shell', title: 'Command line', short: 'Shell', show: showShell },
  { name: 'pubsub', title: 'Pub/Sub', short: 'Pub/Sub', show: showPubsub },
  { name: 'monitor', title: 'Monitor', short: 'Monitor', show: showMonitor },
  { name: 'slowlog', title: 'Slow log', short: 'Slow', show: showSlowlog },
  { name: 'clients', title: 'Clients', short: 'Clients', show: showClients },
];
const THEMES = /** @type {const} */ (['auto', 'light', 'dark']);

const sampler = new Sampler();
const main = h('main', { id: 'main', tabindex: '-1' });
const status = h('span', { class: 'status', role: 'status' });
const banner = h('div', { class: 'banner', role: 'alert', hidden: true });
const title = h('h1', { class: 'page-title' });
const themeButton = h('button', { type: 'button', class: 'icon-button', onclick: nextTheme });
const leaveButton = iconButton('leave', 'Sign out', { onclick: signOut });
const links = new Map(
  ROUTES.map((route) => [
    route.name,
    h(
      'a',
      { href: `#/${route.name}`, title: route.title },
      icon(route.name),
      h('span', { class: 'nav-long' }, route.title),
      h('span', { class: 'nav-short', 'aria-hidden': 'true' }, route.short),
    ),
  ]),
);

const frame = h(
  'div',
  { class: 'frame' },
  h('a', { class: 'skip', href: '#main', onclick: skip }, 'Skip to the page'),
  h(
    'header',
    { class: 'top' },
    h('a', { class: 'brand', href: '#/overview', 'aria-label': 'Tokamak, overview' }, logo(), h('span', {}, 'Tokamak')),
    status,
    h('div', { class: 'top-tools' }, themeButton, leaveButton),
  ),
  h(
    'nav',
    { class: 'nav', 'aria-label': 'Pages' },
    h(
      'ul',
      {},
      [...links.values()].map((link) => h('li', {}, link)),
    ),
  ),
  h('div', { class: 'page' }, title, banner, main),
);

function logo() {
  const href = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel=icon]')).href;
  return h('img', { src: href, alt: '', width: 26, height: 26 });
}

/** @param {Event} event the address is the page's name, so the link must not change it */
function skip(event) {
  event.preventDefault();
  main.focus();
}

let leaving = new AbortController();
let shown = '';
let asking = false; // the login form is shown, and tells by itself what is wrong

/** `#/keys/0/some%20key` */
function showPage() {
  if (asking) return;
  const [name, ...path] = location.hash.replace(/^#\/?/, '').split('/');
  const route = ROUTES.find((each) => each.name === name) ?? ROUTES[0];
  if (route.name === 'keys' && shown === 'keys') return; // it follows the address by itself
  leaving.abort();
  leaving = new AbortController();
  shown = route.name;
  document.title = `${route.title} · Tokamak`;
  fill(title, route.title);
  for (const [each, link] of links)
    if (each === route.name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  const root = h('div', { class: `view view-${route.name}` });
  fill(main, root);
  route.show({ root, path, signal: leaving.signal, sampler });
}

function showState() {
  const words = { starting: 'Connecting…', live: 'Live', offline: 'Offline', refused: 'Limited', login: 'Signed out' };
  status.dataset.state = sampler.state;
  const where = sampler.info.tcp_port ? `${location.hostname}:${sampler.info.tcp_port}` : location.host;
  fill(status, h('span', { class: 'dot' }), words[sampler.state], h('span', { class: 'where' }, where));
  const problem = problemText();
  banner.hidden = !problem;
  if (banner.textContent !== problem) fill(banner, problem); // it is read out when it changes
  leaveButton.hidden = !hasCredential();
  recover(!!problem && sampler.state !== 'refused');
}

/** What is wrong with the server, or nothing. */
function problemText() {
  if (sampler.state === 'offline') return 'The server does not answer. Trying again every second.';
  if (sampler.state === 'refused') return `The server refuses its figures: ${sampler.problem}`;
  if (sampler.info.loading !== '1') return '';
  return `The server is loading its data: ${Math.floor(Number(sampler.info.loading_loaded_perc ?? 0))} %`;
}

let away = false;

/** A page that could not show something tries again when the server is back; what is being edited stays.
 * @param {boolean} isAway */
function recover(isAway) {
  if (away && !isAway && main.querySelector('.empty.error')) {
    shown = '';
    showPage();
  }
  away = isAway;
}

/** @param {string} problem */
function login(problem) {
  leaving.abort();
  shown = '';
  const app = /** @type {HTMLElement} */ (document.getElementById('app'));
  showLogin(app, problem, () => {
    asking = false;
    fill(app, frame);
    showPage();
    sampler.start();
  });
}

function signOut() {
  dropCredential();
  location.reload();
}

function nextTheme() {
  chooseTheme(THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length]);
}

function showTheme() {
  const theme = chosenTheme();
  const label = { auto: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' }[theme];
  themeButton.title = label;
  themeButton.setAttribute('aria-label', label);
  fill(themeButton, icon(/** @type {IconName} */ ({ auto: 'auto', light: 'sun', dark: 'moon' }[theme])));
}

api.onLogin = (error) => {
  if (asking) return;
  asking = true;
  sampler.stop();
  login(hasCredential() ? error.message : '');
};
document.addEventListener('themechange', showTheme);
applyTheme();
sampler.addEventListener('state', showState);
sampler.addEventListener('sample', showState);
addEventListener('hashchange', showPage);
fill(/** @type {HTMLElement} */ (document.getElementById('app')), frame);
showState();
showPage();
sampler.start();
