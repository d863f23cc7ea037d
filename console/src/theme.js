// Dark and light: as the system says, until somebody chooses.

/** @typedef {'auto' | 'light' | 'dark'} Theme */

const KEY = 'tokamak.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** @returns {Theme} */
export function chosenTheme() {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'auto';
}

export function applyTheme() {
  const chosen = chosenTheme(),
    dark = chosen === 'auto' ? system.matches : chosen === 'dark';
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  document.dispatchEvent(new Event('themechange'));
}

/** @param {Theme} theme */
export function chooseTheme(theme) {
  localStorage.setItem(KEY, theme);
  applyTheme();
}

system.addEventListener('change', applyTheme);
