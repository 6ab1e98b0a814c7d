using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Options;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>How a Xen domain is virtualized (xl.cfg(5), <c>type</c>).</summary>
public enum XenDomainType
{
    /// <summary>Paravirtualized; needs nothing of the processor.</summary>
    Pv,
    /// <summary>In the processor's own virtualization, without an emulated machine.</summary>
    Pvh,
}

/// <summary>What a Xen domain is made of.</summary>
public sealed record XlOptions
{
    /// <summary>The domain's name, by which it is found although its number changes: letters, digits, dot, hyphen, underscore.</summary>
    public required string Name { get; init; }

    /// <summary>Kernel image, as a path in dom0.</summary>
    public required string Kernel { get; init; }

    /// <summary>Initial RAM disk.</summary>
    public required string Initrd { get; init; }

    /// <summary>Kernel command line behind the console settings.</summary>
    public string Append { get; init; } = "";

    /// <summary>Memory in MiB, 1 to 16,777,216.</summary>
    public int MemoryMiB { get; init; } = 256;

    /// <summary>Processors, 1 to 255.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>Its network interfaces; each is a port of its bridge, or of xl's usual one.</summary>
    public IReadOnlyList<MachineNic> Nics { get; init; } = [];

    /// <summary>How it is virtualized.</summary>
    public XenDomainType Type { get; init; }

    /// <summary>Its disks, raw only: block devices, or files (a loop device each, by Xen's script <c>block</c>). It sees /dev/xvda and so on.</summary>
    public IReadOnlyList<TargetDisk> Disks { get; init; } = [];

    /// <summary>Paths of raw files that it sees as further disks behind <see cref="Disks"/>, and can only read.</summary>
    public IReadOnlyList<string> Media { get; init; } = [];

    /// <summary>Whether a reboot starts it again, with another number, or is its end.</summary>
    public bool RestartOnReboot { get; init; }

    /// <summary>Further settings of xl.cfg(5) whose values are strings, by their names.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>A folder for its configuration file.</summary>
    public required string Folder { get; init; }

    /// <summary>Variables that xl has in its environment beside this process's.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Name or path of xl.</summary>
    public string Program { get; init; } = XlCommand.DefaultProgram;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal void Validate()
    {
        OptionCheck.Text(Name);
        OptionCheck.Path(Kernel);
        OptionCheck.Path(Initrd);
        OptionCheck.Text(Append);
        OptionCheck.Range(MemoryMiB, 1, 16 << 20);
        OptionCheck.Range(Cpus, 1, 255);
        OptionCheck.NoNulls(Nics);
        OptionCheck.Defined(Type);
        OptionCheck.NoNulls(Disks);
        OptionCheck.NoNulls(Media);
        OptionCheck.Variables(Settings);
        OptionCheck.Path(Folder);
        OptionCheck.Variables(Environment);
        OptionCheck.Path(Program);
    }
}
