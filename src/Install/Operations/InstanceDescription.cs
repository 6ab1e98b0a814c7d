using System.Globalization;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Records;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>The variables that tell a definition's scripts of the instance and of themselves, by the names that Ganeti's scripts know (ganeti-os-interface(7)).</summary>
internal static class InstanceDescription
{
    /// <summary>Bytes of all of them together; the rest of what a script takes is for parameters.</summary>
    public const int MaxBytes = ScriptLimits.MaxEnvironmentBytes - OperationParameters.MaxTotal;

    /// <summary>All of them but the parameters.</summary>
    /// <param name="request">What is done.</param>
    /// <param name="record">The instance.</param>
    /// <param name="definition">Whose scripts they are.</param>
    /// <param name="variant">The definition's variant; empty: it has none.</param>
    /// <param name="diskPaths">The disks where the script sees them.</param>
    public static IEnumerable<KeyValuePair<string, string>> Of(InstallRequest request, InstanceRecord record, OsDefinition definition, string variant, IReadOnlyList<string> diskPaths) =>
    [
        .. Names(request, record, definition, variant),
        .. diskPaths.SelectMany((path, i) => Disk(record, $"DISK_{Invariant(i)}", path)),
        .. record.Nics.SelectMany((nic, i) => Nic(record, nic, $"NIC_{Invariant(i)}")),
        new("DISK_COUNT", Invariant(diskPaths.Count)),
        new("NIC_COUNT", Invariant(record.Nics.Count)),
        .. record.HypervisorParameters.Select(static p => new KeyValuePair<string, string>($"INSTANCE_HV_{p.Key}", p.Value)),
        .. record.BackendParameters.Select(static p => new KeyValuePair<string, string>($"INSTANCE_BE_{p.Key}", p.Value)),
    ];

    private static IEnumerable<KeyValuePair<string, string>> Names(InstallRequest request, InstanceRecord record, OsDefinition definition, string variant)
    {
        yield return new("INSTANCE_NAME", request.NewName ?? record.Name);
        yield return new("INSTANCE_OS", record.OsDefinition ?? definition.Name);
        yield return new("OS_NAME", definition.Name);
        yield return new("OS_VARIANT", variant);
        yield return new("OS_API_VERSION", Invariant(definition.Interface.Version));
        yield return new("HYPERVISOR", record.Hypervisor);
        yield return new("DEBUG_LEVEL", Invariant(request.DebugLevel));
        if (request.IsReinstall)
        {
            yield return new("INSTANCE_REINSTALL", "1");
        }

        if (request.NewName is not null)
        {
            yield return new("OLD_INSTANCE_NAME", record.Name);
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Disk(InstanceRecord record, string prefix, string path)
    {
        yield return new($"{prefix}_PATH", path);
        yield return new($"{prefix}_ACCESS", "rw");
        if (record.HypervisorParameters.TryGetValue("disk_type", out var type))
        {
            yield return new($"{prefix}_FRONTEND_TYPE", type);
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Nic(InstanceRecord record, InstanceNic nic, string prefix)
    {
        yield return new($"{prefix}_MAC", nic.Mac);
        yield return new($"{prefix}_MODE", nic.Mode.ToString().ToLowerInvariant());
        (string Name, string? Value)[] known =
        [
            ("IP", nic.Ip),
            ("LINK", nic.Link),
            ("BRIDGE", nic.Mode == NicMode.Bridged ? nic.Link : null),
            ("NETWORK_NAME", nic.Network),
            ("FRONTEND_TYPE", record.HypervisorParameters.GetValueOrDefault("nic_type")),
        ];
        foreach (var (name, value) in known)
        {
            if (value is not null)
            {
                yield return new($"{prefix}_{name}", value);
            }
        }
    }

    private static string Invariant(int number) => number.ToString(CultureInfo.InvariantCulture);
}
