-- What would let a transaction past row-level security, each in words for an operator.
-- $1: the schema; $2: the role of callers; $3: the role of maintenance; $4: tables that belong to no tenant.
-- The schema is named: to a login without its roles, current_schema() may be nothing.
SELECT gap FROM (
    SELECT 1, format('the role %s could bypass row-level security', named.role)
      FROM unnest(ARRAY[$2, $3]) AS named(role) LEFT JOIN pg_roles r ON r.rolname = named.role
     WHERE r.oid IS NULL OR r.rolsuper OR r.rolbypassrls
        OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = to_regnamespace($1))
    UNION ALL
    SELECT 2, format('the role %s is a member of %s', $2, $3) WHERE pg_has_role($2, $3, 'MEMBER')
    UNION ALL
    SELECT 3, format('the login %s could bypass row-level security, if it left its role', rolname)
      FROM pg_roles WHERE rolname = session_user AND (rolsuper OR rolbypassrls)
    UNION ALL
    SELECT 4, format('the login %s inherits the rights of %s, and uses them wherever it forgets to set a role',
                     l.rolname, r.rolname)
      FROM pg_roles l JOIN pg_roles r ON r.rolname IN ($2, $3)
     WHERE l.rolname = session_user AND NOT l.rolsuper AND pg_has_role(l.oid, r.oid, 'USAGE')
    UNION ALL
    SELECT 5, format('the table %s has no forced row-level security', c.relname)
      FROM pg_class c
     WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($4)
       AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
) AS gaps(kind, gap)
ORDER BY kind, gap
