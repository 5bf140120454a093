"""allauth's forms in the words of this site."""

from typing import Any

from allauth.account import forms
from allauth.mfa.base import forms as codes
from allauth.mfa.totp.forms import ActivateTOTPForm


class Plain:
    """A label says what goes in, as a sentence begins; a placeholder that repeats it is noise."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            field.label = field.label and str(field.label).capitalize()


class Login(Plain, forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Name or email"
        self.fields["login"].widget.attrs["autocomplete"] = "username"


class Signup(Plain, forms.SignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"
        self.fields["email"].label = "Email"
        self.fields["email"].help_text = "Only needed to ask for another password."


class AddEmail(Plain, forms.AddEmailForm):
    pass


class ChangePassword(Plain, forms.ChangePasswordForm):
    pass


class SetPassword(Plain, forms.SetPasswordForm):
    pass


class ResetPassword(Plain, forms.ResetPasswordForm):
    pass


class ResetPasswordKey(Plain, forms.ResetPasswordKeyForm):
    pass


class Reauthenticate(Plain, forms.ReauthenticateForm):
    pass


class ActivateTOTP(Plain, ActivateTOTPForm):
    pass


class Authenticate(Plain, codes.AuthenticateForm):
    pass


class ReauthenticateByCode(Plain, codes.ReauthenticateForm):
    pass
