-- Creates the role {role} unless it is there, and lets the login set it.
-- Asked first: a login without CREATEROLE may find everything prepared for it. Roles are shared by all databases
-- of the cluster, so another one may make them at this very moment.
DO $$ BEGIN
    IF to_regrole('{role}') IS NULL THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
    -- A superuser may set every role and passes every wall: a membership would change nothing.
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    -- From 16 on each membership says whether it is inherited, and granting it again changes
    -- that.
    IF current_setting('server_version_num')::int >= 160000 THEN
        IF NOT pg_has_role(current_user, '{role}', 'SET') OR pg_has_role(current_user, '{role}', 'USAGE') THEN
            BEGIN
                EXECUTE 'GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE';
            EXCEPTION WHEN insufficient_privilege THEN
                -- An administrator prepared it, in a way that `gaps` reports.
                IF NOT pg_has_role(current_user, '{role}', 'SET') THEN
                    RAISE;
                END IF;
            END;
        END IF;
    ELSIF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN
        GRANT {role} TO CURRENT_USER;
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$;
