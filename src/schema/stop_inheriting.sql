-- Before 16, a role inherits from all roles that it is a member of or from none. A login that is a member of
-- others, too, is left as it is: it may need their rights. So is one without CREATEROLE, which cannot change
-- itself; security_gaps.sql reports both.
DO $$ BEGIN
    IF current_setting('server_version_num')::int < 160000 AND EXISTS (
        SELECT FROM pg_roles r
         WHERE r.rolname = current_user AND r.rolinherit AND r.rolcreaterole AND NOT r.rolsuper
           AND NOT EXISTS (SELECT FROM pg_auth_members m
                            WHERE m.member = r.oid
                              AND m.roleid NOT IN ('{app}'::regrole, '{maintenance}'::regrole))) THEN
        ALTER ROLE CURRENT_USER NOINHERIT;
    END IF;
END $$;
