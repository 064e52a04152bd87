/** What Vite makes importable beside code. */
declare module '*.css'
