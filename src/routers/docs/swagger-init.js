// Starts Swagger UI; a file of its own, because the page's Content-Security-Policy allows no inline script.
// The credential survives a reload of the page, in the storage of this origin.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayOperationId: true,
  persistAuthorization: true,
  presets: [SwaggerUIBundle.presets.apis],
});
