-- States of a work item's entries that it got when it was closed already: above `fechado_de`, up to `fechado_ate`.
-- The hours are written all the same, and their owners are told.
ALTER TABLE write_back
    ADD COLUMN fechado_de bigint,
    ADD COLUMN fechado_ate bigint,
    ADD CONSTRAINT write_back_fechado_check CHECK (
        (fechado_de IS NULL) = (fechado_ate IS NULL) AND (fechado_de IS NULL OR fechado_de < fechado_ate));
