// Light or dark, before anything is drawn: the reader's choice if there is one, else that of their system.

(() => {
  const chosen = localStorage.getItem("horarium.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
