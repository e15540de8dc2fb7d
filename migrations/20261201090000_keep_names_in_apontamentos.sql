-- Names as they were when the hours were logged: Azure DevOps renames and deletes projects and work items. Entries of
-- earlier releases have neither.
ALTER TABLE apontamentos
    ADD COLUMN projeto_nome varchar(255),
    ADD COLUMN work_item_titulo varchar(255);
