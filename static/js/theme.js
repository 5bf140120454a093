// Before the first paint: the colours that were chosen here, or in the admin, which says "auto" for the system's.
try {
  document.documentElement.dataset.theme = (localStorage.getItem("theme") || "").replace("auto", "");
} catch {
  // A browser that keeps nothing follows the system.
}
