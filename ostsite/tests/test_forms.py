import pytest
from django import forms

HOSTILE = "<script>alert(1)</script>"


class Sample(forms.Form):
    name = forms.CharField(help_text="As it is known here.")
    kind = forms.ChoiceField(choices=[(1, HOSTILE)])
    about = forms.CharField(widget=forms.Textarea, required=False)
    agree = forms.BooleanField(label="I agree")
    stacks = forms.MultipleChoiceField(choices=[(1, "Go"), (2, HOSTILE)], widget=forms.CheckboxSelectMultiple)


def drawn(name: str, /, **given: object) -> str:
    return Sample(given or None)[name].as_field_group()


def test_a_label_belongs_to_its_input():
    shown = drawn("name")
    assert '<label for="id_name">' in shown
    assert 'id="id_name"' in shown


def test_help_and_errors_are_read_with_the_input():
    shown = drawn("name", name="")
    for part in ("id_name_helptext", "id_name_error"):
        assert f'id="{part}"' in shown
        assert part in shown.split("aria-describedby=")[1].split(">")[0]


def test_an_error_is_announced():
    assert 'role="alert"' in drawn("name", name="")


def test_what_may_stay_empty_says_so():
    assert "optional" in drawn("about")
    assert "optional" not in drawn("name")


def test_a_checkbox_stands_in_its_label():
    assert '<label for="id_agree"><input type="checkbox"' in drawn("agree")


def test_several_choices_are_chips_in_a_fieldset():
    shown = drawn("stacks", stacks=["1"])
    assert "<legend>Stacks" in shown
    assert shown.count('class="chip"') == 2
    assert shown.count("checked") == 1


@pytest.mark.parametrize("name", ["name", "kind", "about", "stacks"])
def test_hostile_text_is_shown_and_never_obeyed(name):
    assert "<script" not in drawn(name, name=HOSTILE, kind=HOSTILE, about=HOSTILE, stacks=[HOSTILE])
