using Mono.Cecil;

namespace ChannelSdk.Architecture.Tests;

/// <summary>The product's projects: where each lies, and the assembly that it was built to.</summary>
internal static class Product
{
    /// <summary>Folder in the repository, and assembly.</summary>
    public static readonly (string Folder, string Assembly)[] Projects =
    [
        ("protocol", "ChannelSdk.Protocol"),
        ("src/Linux", "ChannelSdk.Linux"),
        ("src/Transports", "ChannelSdk.Transports"),
        ("src/Channel", "ChannelSdk.Channels"),
        ("src/Services", "ChannelSdk.Services"),
        ("src/GuestAgent", "channel-agent"),
        ("src/HostEndpoint", "ChannelSdk.HostEndpoint"),
        ("src/Worker", "channel-worker"),
        ("src/Metadata", "ChannelSdk.Metadata"),
        ("src/Install", "ChannelSdk.Install"),
        ("src/Hypervisors", "ChannelSdk.Hypervisors"),
        ("src/Tools/channelctl", "channelctl"),
        ("src/Tools/ForwardHelper", "channel-forward"),
        ("src/Tools/Demo", "ChannelSdk.Demo"),
    ];

    /// <summary>The repository's root.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>All of them, read.</summary>
    public static IReadOnlyDictionary<string, AssemblyDefinition> Assemblies { get; } = Projects.ToDictionary(
        static p => p.Assembly, static p => AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, p.Assembly + ".dll")));

    /// <summary>The project's source files, without what is generated.</summary>
    public static IEnumerable<string> Sources(string folder) => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
        .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "ChannelSdk.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests are not below the repository");
        }

        return folder;
    }
}
