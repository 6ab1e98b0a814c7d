namespace ChannelSdk.Metadata.Model;

/// <summary>Who may see the value of an OS parameter, from the widest to the narrowest.</summary>
public enum ParameterClass
{
    /// <summary>Stored, and shown freely.</summary>
    Public,
    /// <summary>Stored, and given to the instance; never in logs, listings, error texts or answers to the host's callers.</summary>
    Private,
    /// <summary>Kept in memory only and wiped when the install ends; given to the instance under <see cref="SecretAccess"/>.</summary>
    Secret,
}

/// <summary>When the instance gets its secret OS parameters.</summary>
public enum SecretAccess
{
    /// <summary>With a session token (<c>PUT /latest/api/token</c>), as often as it asks.</summary>
    Token,
    /// <summary>With a session token, and once for each time that a value is put: later answers have null in its place.</summary>
    Once,
    /// <summary>Without a token, as ganeti-metad does it.</summary>
    Open,
}

/// <summary>How the EC2 face treats a request without a session token.</summary>
public enum TokenUse
{
    /// <summary>It is answered (IMDSv1).</summary>
    Optional,
    /// <summary>It gets 401 (IMDSv2 only).</summary>
    Required,
}
