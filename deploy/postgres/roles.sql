-- Two roles, neither a superuser: `ost` owns the tables, for `migrate` and the worker; `ost_web` changes rows and no table.
-- Run once by a superuser, in the database that is to hold the tables. compose.yaml does it when its database is made;
-- elsewhere: SECRETS=deploy/secrets psql --set ON_ERROR_STOP=1 --file deploy/postgres/roles.sql ADDRESS
\set ost_password `cat "${SECRETS:-/run/secrets}/ost_password"`
\set web_password `cat "${SECRETS:-/run/secrets}/ost_web_password"`
CREATE EXTENSION vector;  -- a superuser's to make; `migrate` finds it
CREATE ROLE ost LOGIN PASSWORD :'ost_password';
CREATE ROLE ost_web LOGIN PASSWORD :'web_password';
SELECT current_database() AS name \gset
ALTER DATABASE :"name" OWNER TO ost;  -- and so of the schema public
GRANT USAGE ON SCHEMA public TO ost_web;
ALTER DEFAULT PRIVILEGES FOR ROLE ost IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ost_web;
ALTER DEFAULT PRIVILEGES FOR ROLE ost IN SCHEMA public GRANT USAGE ON SEQUENCES TO ost_web;
