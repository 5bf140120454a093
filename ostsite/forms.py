"""How every form of the site is drawn."""

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """A field is its label, its input, its help and its errors: templates/_partials/field.html."""

    field_template_name = "_partials/field.html"
