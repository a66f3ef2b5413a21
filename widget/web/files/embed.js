// The loader: imports the quiz only if the page contains one. The server replaces __WIDGET__.
const load = () => document.querySelector("recovery-quiz") && import(new URL("__WIDGET__", import.meta.url));
load() || document.addEventListener("DOMContentLoaded", load);
new MutationObserver((_, watcher) => load() && watcher.disconnect()).observe(document.documentElement, { childList: true, subtree: true });
