// Before the first paint: the colours that were chosen here.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "";
} catch {
  // A browser that keeps nothing follows the system.
}
