-- An administrator of some organisations works on the vault under the maintenance role, as the service does, but names these
-- organisations: then the role sees their rows alone. Statements of the service itself name none and see all.
ALTER POLICY organization_pats_maintenance ON organization_pats
    USING (coalesce(current_setting('aponta.organizacoes', true), '') = ''
           OR ARRAY['*', organizacao]::text[] && (SELECT organizacoes_do_chamador()))
    WITH CHECK (coalesce(current_setting('aponta.organizacoes', true), '') = ''
           OR ARRAY['*', organizacao]::text[] && (SELECT organizacoes_do_chamador()));
