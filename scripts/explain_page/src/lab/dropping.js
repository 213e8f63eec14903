// A file dropped anywhere onto the page, or chosen, is read as a table.

const MAX_FILE = 20_000_000;

export async function takeFile(file, actions) {
  if (!file) return;
  if (file.size > MAX_FILE) actions.complain(`${file.name} is larger than 20 MB; train it with “bpx train”.`);
  else {
    let text;
    try {
      text = await file.text();
    } catch {
      actions.complain(`${file.name} cannot be read: a file with a table, please, and no folder.`);
      return;
    }
    actions.takeTable(text, file.name);
  }
}

export function listenForFiles(actions) {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    takeFile(event.dataTransfer.files[0], actions);
  });
}
