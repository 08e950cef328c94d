// The pages of a grid. data: {page, pages, shown: [number]}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".pager")
  root.setAttribute("role", "navigation")
  root.setAttribute("aria-label", "Pages")

  // of two quick presses, the second goes on from the first
  let at = data.page
  const button = (text, label, to, step = 0) => {
    const made = make("button", "page", text)
    made.type = "button"
    made.dataset.page = text
    made.setAttribute("aria-label", label)
    made.disabled = to < 1 || to > data.pages
    made.onclick = () => {
      at = step ? Math.min(data.pages, Math.max(1, at + step)) : to
      setTriggerValue("open", at)
    }
    return made
  }

  const parts = [button("‹", "Page before", data.page - 1, -1)]
  data.shown.forEach((number, place) => {
    if (place && number > data.shown[place - 1] + 1) parts.push(make("span", "gap quiet", "…"))
    const one = button(String(number), `Page ${number}`, number)
    if (number === data.page) one.setAttribute("aria-current", "page")
    parts.push(one)
  })
  parts.push(button("›", "Next page", data.page + 1, 1))

  const focused = parentElement.activeElement?.dataset?.page
  root.replaceChildren(...parts)
  if (!focused) return
  const again = root.querySelector(`[data-page="${CSS.escape(focused)}"]`)
  // at either end the pressed arrow is now disabled
  const next = again?.disabled === false ? again : root.querySelector("[aria-current]")
  next?.focus({ preventScroll: true })
}
