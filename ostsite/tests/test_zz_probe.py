import pytest, time, json
from ostsite.tests.world import *
from unittest import mock
def test_probe(db, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": dict.fromkeys(("anon","user","try"),10**9)}
    t=time.time(); w=World(); print("world",time.time()-t)
    roles=["anon","alice","bob","staff","curator","operator","root",*w.keys]
    out=open("/tmp/w/matrix/probe.txt","w")
    spent={}
    for p in places():
        a=w.address(p)
        for m in ["GET","POST","PUT","PATCH","DELETE","OPTIONS","TRACE"]:
            row=[]
            for r in roles:
                if m not in("GET","POST") and (r in ("staff","curator","operator","bob's","revoked") ) : continue
                with undone():
                    t=time.time()
                    try:
                        s=w.client(r).generic(m,a)
                        c=str(s.status_code)
                        if s.has_header("Location"): c+=">"+s["Location"].split("?")[0]
                        if s.streaming: b"".join(s.streaming_content)
                    except Exception as e: c="EXC "+repr(e)[:80]
                    spent[(m, a, r)]=time.time()-t
                row.append(c)
            print(p.name, m, a, *row, sep=" | ", file=out)
    print("total", sum(spent.values()), sorted(((round(v,2),k) for k,v in spent.items()),reverse=True)[:15])
