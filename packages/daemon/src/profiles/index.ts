/** Profiles: commented configuration for the places a node runs in. */
export { envText, type Given, type TemplateLine, type TemplateSection } from './env-text.ts'
export { profileNames, profileText, type ProfileChoice, type ProfileName } from './profiles.ts'
