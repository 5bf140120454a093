"""What templates need to show how ready an issue is."""

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from recommendations import reasons
from recommendations.taking import Readiness

register = Library()


@register.simple_tag
def readiness_bar(ready: Readiness) -> SafeString:
    """A bar filled as far as it is ready, in the colours of its parts; a reader hears them in words."""
    places = zip(ready.parts, reasons.segments([part.adds for part in ready.parts]), strict=True)
    said = "; ".join(ready.stops) or ", ".join(f"{part.label} {figure}%" for part, figure in ready.shown)
    drawn = format_html_join(
        "",
        '<rect class="ready-{}" x="{}" width="{}" height="4"></rect>',
        ((part.name, f"{left:g}", f"{width:g}") for part, (left, width) in places if width),
    )
    return format_html(
        '<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img"><title>Readiness {}%: {}</title>'
        '<rect class="bar-rest" width="100" height="4"></rect>{}</svg>',
        ready.percent,
        said,
        drawn,
    )
