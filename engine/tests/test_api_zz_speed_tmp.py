import cProfile, io, pstats, time, pytest
from django.core.wsgi import get_wsgi_application
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory
from engine.models import ApiKey
from recommendations.tests.factories import *
@pytest.mark.django_db
def test_speed(settings):
    import logging; logging.disable(logging.CRITICAL)
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": dict.fromkeys(("anon","user","try"),10**9)}
    for s in (request_started, request_finished): s.disconnect(close_old_connections)
    make_weights(); u=make_user("alice_ml"); act(u, make_projects(20)[0], "like"); score()
    key=ApiKey.objects.issue(u,"k",["read"],3)[1]
    app=get_wsgi_application()
    def go(path, n, **h):
        env=RequestFactory()._base_environ(PATH_INFO=path, QUERY_STRING="", REQUEST_METHOD="GET", **h)
        env.pop("HTTP_COOKIE",None)
        t=time.perf_counter()
        for _ in range(n):
            st=[]
            b"".join(app(dict(env), lambda s,hh: st.append(s)))
            assert st[0].startswith("200"), st
        return (time.perf_counter()-t)/n*1000
    h={"HTTP_AUTHORIZATION":"Bearer "+key}
    p="/api/v1/recommendations/alice_ml/"
    go(p,50,**h)
    print("ms", go(p,500,**h))
    c0=time.process_time(); go(p,500,**h); print("cpu ms", (time.process_time()-c0)/500*1000)
    print("projects", go("/api/v1/projects/",20), "cats", go("/api/v1/categories/",20))
    pr=cProfile.Profile(); pr.enable(); go(p,500,**h); pr.disable()
    s=io.StringIO(); pstats.Stats(pr,stream=s).sort_stats("cumtime").print_stats(95); print(s.getvalue())
