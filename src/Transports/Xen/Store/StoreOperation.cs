namespace ChannelSdk.Transports.Xen.Store;

/// <summary>Kinds of xenstore messages (enum xsd_sockmsg_type of Xen's public/io/xs_wire.h), as far as they are used.</summary>
internal enum StoreOperation : uint
{
    /// <summary>The names below a node.</summary>
    Directory = 1,
    /// <summary>A node's value.</summary>
    Read = 2,
    /// <summary>Who may read and write a node.</summary>
    GetPermissions = 3,
    /// <summary>Asks for an event at every change of a node or below it.</summary>
    Watch = 4,
    /// <summary>Sets a value; makes the node and those above it.</summary>
    Write = 11,
    /// <summary>Makes a node.</summary>
    MakeNode = 12,
    /// <summary>Removes a node with all below.</summary>
    Remove = 13,
    /// <summary>Sets who may read and write a node.</summary>
    SetPermissions = 14,
    /// <summary>A watched node changed; the one message that is no reply.</summary>
    WatchEvent = 15,
    /// <summary>The answer to a request that failed: the name of an errno.</summary>
    Error = 16,
    /// <summary>Whether a domain is known and not dying: T or F.</summary>
    IsDomainIntroduced = 17,
}
