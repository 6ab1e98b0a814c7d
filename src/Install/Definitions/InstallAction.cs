namespace ChannelSdk.Install.Definitions;

/// <summary>What an operation does; the scripts of an OS definition have these names in lower case.</summary>
public enum InstallAction
{
    /// <summary>Puts an operating system onto the instance's blank disks.</summary>
    Create,
    /// <summary>Takes what is on the instance's disks away to somewhere.</summary>
    Export,
    /// <summary>Puts what an export has made onto the instance's disks.</summary>
    Import,
    /// <summary>Tells the installed system that the instance has another name.</summary>
    Rename,
}
