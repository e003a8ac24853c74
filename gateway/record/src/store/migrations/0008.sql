-- What is kept of large calls to take them back: for adding up how much that is, by whose and where, without reading it.
CREATE INDEX calls_large
    ON calls (user, target, octet_length(args) + ifnull(octet_length(pre_image), 0) + ifnull(octet_length(undo_args), 0))
    WHERE octet_length(args) + ifnull(octet_length(pre_image), 0) + ifnull(octet_length(undo_args), 0) > 4096;
