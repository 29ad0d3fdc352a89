/** Light, dark, or what the system says; remembered where the browser lets us. */
import { useEffect, useState } from 'react'

/** What a viewer may choose. */
export type Theme = 'auto' | 'light' | 'dark'

const storageKey = 'lattice-theme'

function isTheme(text: unknown): text is Theme {
  return text === 'auto' || text === 'light' || text === 'dark'
}

function remembered(): Theme {
  try {
    const text = localStorage.getItem(storageKey)
    return isTheme(text) ? text : 'auto'
  } catch {
    // An embedded page may have no storage.
    return 'auto'
  }
}

/** The theme and its switch. The choice is also put on the root element, for the background of the page. */
export function useTheme(): readonly [theme: Theme, choose: (text: string) => void] {
  const [theme, setTheme] = useState(remembered)
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme
  }, [theme])
  const choose = (text: string): void => {
    if (!isTheme(text)) return
    setTheme(text)
    try {
      localStorage.setItem(storageKey, text)
    } catch {
      // Then it lasts as long as the page.
    }
  }
  return [theme, choose]
}
