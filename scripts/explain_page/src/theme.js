// Light or dark: the system's wish until the reader decides.

const wish = window.matchMedia("(prefers-color-scheme: dark)");
let decided = null;

export const currentTheme = () => decided ?? (wish.matches ? "dark" : "light");

const apply = () => {
  document.documentElement.dataset.theme = currentTheme();
};

export function setTheme(theme) {
  decided = theme;
  apply();
}

export function followSystem(onChange) {
  apply();
  wish.addEventListener("change", () => {
    apply();
    onChange(currentTheme());
  });
}
