// The loader: fetches the quiz itself only where one stands on the page. __WIDGET__ is written by the server.
const load = () => document.querySelector("recovery-quiz") && import(new URL("__WIDGET__", import.meta.url));
load() || document.addEventListener("DOMContentLoaded", load);
new MutationObserver((_, watcher) => load() && watcher.disconnect()).observe(document.documentElement, { childList: true, subtree: true });
