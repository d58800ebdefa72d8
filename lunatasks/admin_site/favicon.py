"""The icon of the pages: without one, every browser that opens them is answered with an error."""

from django.http import HttpRequest, HttpResponse

from lunatasks.api.views import ApiView

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#264b5d"/>'
    '<path d="M11 11.5A5 5 0 1 1 11 4.5 4 4 0 0 0 11 11.5Z" fill="#f5dd5d"/></svg>'
)


class Favicon(ApiView):
    """GET /favicon.ico: a small drawing."""

    open_to_all = True
    schema = None

    def get(self, request: HttpRequest) -> HttpResponse:
        headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": "default-src 'none'"}
        return HttpResponse(ICON, content_type="image/svg+xml", headers=headers)
