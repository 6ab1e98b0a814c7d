namespace ChannelSdk.Transports.Abstractions;

/// <summary>What comes after the <c>://</c> of a scheme.</summary>
public enum TargetForm
{
    /// <summary>An absolute path.</summary>
    Path,
    /// <summary>A name or an absolute path.</summary>
    NameOrPath,
    /// <summary>An absolute path, then <c>?name=value&amp;name=value</c>.</summary>
    PathAndOptions,
    /// <summary>What the scheme itself checks.</summary>
    Own,
}
