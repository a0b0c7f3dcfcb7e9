// Numbers, sizes, lengths of time and moments as people write them in a language ("en", "zh").

const LOCALES = { en: undefined, zh: "zh-CN" };
const UNITS = ["B", "KB", "MB", "GB", "TB"];

const locale = (language) => (navigator.language.startsWith(language) ? navigator.language : LOCALES[language]) ?? "en";

function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

function duration(seconds, language) {
  const whole = Math.max(1, Math.round(seconds));
  const [h, min, s] = language === "zh" ? [" 小时", " 分钟", " 秒"] : [" h", " min", " s"];
  if (whole < 60) return `${whole}${s}`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes}${min}`;
  return minutes % 60 ? `${Math.floor(minutes / 60)}${h} ${minutes % 60}${min}` : `${minutes / 60}${h}`;
}

function moment(time, language) {
  const date = new Date(time);
  const day = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  if (date.getFullYear() === new Date().getFullYear()) delete day.year;
  return new Intl.DateTimeFormat(locale(language), day).format(date);
}

export const FORMATS = {
  size,
  duration,
  moment,
  percent: (share, language) => `${Math.floor(share * 100)}${language === "zh" ? "" : " "}%`,
};
