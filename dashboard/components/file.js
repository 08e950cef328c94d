// A button for a file that the server makes when it is pressed.
// data: {label, icon, kind, help, name, url: null where there is no file}

// milliseconds after which a press that is still being answered says so
const SLOW = 400

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".file")
  if (!root.firstChild) {
    const button = make("button", "")
    button.type = "button"
    button.append(make("span", "icon"), make("span", "label"))
    const said = make("span", "said")
    said.setAttribute("role", "status")
    root.append(button, said)
  }
  const [button, said] = root.children
  const [icon, label] = button.children
  icon.setAttribute("aria-hidden", "true")
  icon.textContent = data.icon
  label.textContent = data.label
  button.className = data.kind
  button.title = data.help
  button.disabled = !data.url
  button.onclick = async () => {
    if (root.busy) return
    root.busy = true
    said.textContent = ""
    const slow = setTimeout(() => (said.textContent = "Being made ..."), SLOW)
    try {
      const answer = await fetch(data.url)
      if (!answer.ok) throw new Error(await answer.text())
      const link = make("a", "")
      link.href = URL.createObjectURL(await answer.blob())
      link.download = data.name
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
      said.textContent = ""
    } catch (error) {
      said.textContent = error instanceof TypeError ? "The server does not answer; press again." : error.message
    } finally {
      clearTimeout(slow)
      root.busy = false
    }
  }
}
