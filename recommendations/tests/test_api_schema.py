"""The schema says what the API does: every operation is tried with data made from it."""

import pytest
import schemathesis
from django.core.management import call_command
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from engine.models import ApiKey
from ostsite.wsgi import application
from recommendations.api.documents import schema
from recommendations.api.serializers import NewcomersAsked, ProjectsAsked
from recommendations.filters import MANY, ProjectFilter
from recommendations.tests.factories import belongs, knows, make_category, make_projects, make_stack, make_user

pytestmark = pytest.mark.django_db
