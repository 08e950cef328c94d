// Streamlit (1.67) writes two entries where a page is opened with parameters: first the old page's path with the new
// parameters, a moment later the new page's path with the same ones. The second takes the place of the first here.

const SOON = 5000

export default function () {
  if (history.telltale) return
  history.telltale = true
  const push = history.pushState.bind(history)
  let last = { at: 0 }
  history.pushState = (state, title, url) => {
    const to = new URL(url ?? location.href, location.href)
    const soon = performance.now() - last.at < SOON
    const isSecond = soon && to.search === last.search && to.pathname !== last.path
    const isFirst = to.pathname === location.pathname
    if (isSecond) history.replaceState(state, title, url)
    else push(state, title, url)
    last = isFirst ? { search: to.search, path: to.pathname, at: performance.now() } : { at: 0 }
  }
  addEventListener("popstate", () => (last = { at: 0 }))
}
