/** Colours and type of a mail in HTML: as they stand at each element, for the light, and as the style sheet turns them for the dark. */
import type { Tone } from './story.ts';

/** What white text stands on, and what stands on the card. Both at least 4.5:1. */
export const TONES: Readonly<Record<Tone, readonly [fill: string, ink: string]>> = {
  critical: ['#b42318', '#b42318'],
  warning: ['#b54708', '#b54708'],
  info: ['#175cd3', '#175cd3'],
  resolved: ['#067647', '#067647'],
};

export const INK = 'color:#1d2433';
export const MUTED = 'color:#5d6575';
export const LINK = 'color:#1856b8';
export const BACKGROUND = 'background-color:#eceff3';
export const FONT = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
export const BODY = `margin:0;padding:0;${FONT};font-size:15px;line-height:1.45;-webkit-text-size-adjust:100%`;
export const CARD = `max-width:600px;border-radius:8px;background-color:#ffffff;text-align:left;font-size:15px;line-height:1.45;${INK}`;
export const RULE = 'border-bottom:1px solid #e6e9ee';

/** Gmail strips a sheet of more than 8 KB, and whole sheets with what it does not know: plain classes only. */
export const DARK_STYLE = `<style>
:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){
.back{background-color:#101216!important}
.card{background-color:#1b1e24!important;color:#e6e8ec!important}
.ink{color:#e6e8ec!important}
.muted{color:#a3abb8!important}
.quiet{background-color:#262a32!important;color:#e6e8ec!important}
.rule{border-bottom-color:#30353e!important}
.link{color:#8ab4ff!important}
.button{background-color:#262a32!important;border-color:#4a515d!important;color:#e6e8ec!important}
.critical{color:#ff8a7e!important}
.warning{color:#fdb864!important}
.info{color:#8ab4ff!important}
.resolved{color:#5cd39b!important}
}
</style>`;
