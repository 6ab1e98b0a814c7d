namespace ChannelSdk.Install.Data;

/// <summary>How the data of a disk is packed where it is kept. Scripts write and read it as it is.</summary>
public enum DataCompression
{
    /// <summary>Not at all.</summary>
    None,
    /// <summary>As gzip(1) does: an export packs it, an import unpacks it and refuses what is not packed.</summary>
    Gzip,
}
