namespace ChannelSdk.Install.Records;

/// <summary>What an image of a system is.</summary>
public enum ImageFormat
{
    /// <summary>As its first bytes say; gzip, xz and zstd are unpacked, and then hold a raw image or a tar.</summary>
    Auto,
    /// <summary>The bytes of a disk, whatever they look like: nothing is unpacked.</summary>
    Raw,
    /// <summary>A disk of QEMU's, without a backing file.</summary>
    Qcow2,
    /// <summary>A disk of VMware's in one file.</summary>
    Vmdk,
    /// <summary>A disk of Hyper-V's, without a parent.</summary>
    Vhdx,
    /// <summary>The files of a system's root folder; may be packed by gzip, xz or zstd.</summary>
    Tar,
}
