// Starts ReDoc; a file of its own, because the page's Content-Security-Policy allows no inline script.
import { init } from "/redoc/redoc.standalone.js";

init("/openapi.json", { disableTelemetry: true }, document.getElementById("redoc"));
