using System.Text.Json;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Files;
using ChannelSdk.Services.Freeze;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Power;
using ChannelSdk.Services.Storage;
using ChannelSdk.Services.Time;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The table of the commands, and whether one may be called now.</summary>
internal sealed class QgaCommands
{
    private const string FrozenReason = "the agent is in frozen state";
    private readonly Dictionary<string, QgaCommand> _table = new(capacity: 64, StringComparer.Ordinal);
    private readonly ServiceGate _gate;
    private readonly QgaFreeze _freeze;
    private readonly Func<AgentConfig> _config;

    /// <summary>Makes the table.</summary>
    /// <param name="services">What does the work.</param>
    /// <param name="gate">The policy that every way in is under.</param>
    /// <param name="config">Which commands are allowed and blocked, and how long a freeze lasts by itself.</param>
    public QgaCommands(QgaCommandServices services, ServiceGate gate, Func<AgentConfig> config)
    {
        (_gate, _config) = (gate, config);
        _freeze = new QgaFreeze(services.Freeze, () => TimeSpan.FromTicks(Math.Min(config().QgaFreezeLease.Ticks, config().FreezeMaxLease.Ticks)));
        var control = new QgaControl(services.Power, services.Time);
        var accounts = new QgaAccounts(services.Policy);
        var read = FilesMethods.Read.Name;
        var write = FilesMethods.Write.Name;
        var info = InfoMethods.Get.Name;
        var power = PowerMethods.Request.Name;
        var exec = ExecMethods.Run.Name;
        Quick("guest-sync", null, Sync);
        Quick("guest-sync-delimited", null, call =>
        {
            Sync(call);
            call.IsDelimited = true;
        });
        Quick("guest-ping", InfoMethods.Ping.Name, static call => call.Arguments.End());
        Quick("guest-info", null, Info);
        Quick("guest-fsfreeze-status", FreezeMethods.Status.Name, _freeze.Status);
        Add(new QgaCommand("guest-fsfreeze-freeze", FreezeMethods.Freeze.Name, _freeze.FreezeAsync));
        Add(new QgaCommand("guest-fsfreeze-freeze-list", FreezeMethods.Freeze.Name, _freeze.FreezeAsync));
        Add(new QgaCommand("guest-fsfreeze-thaw", FreezeMethods.Thaw.Name, _freeze.ThawAsync) { WhileFrozen = true });
        Add(new QgaCommand("guest-fstrim", StorageMethods.Trim.Name, call => QgaStorage.TrimAsync(call, services.Trim)));
        Add("guest-shutdown", power, control.Shutdown, isSilent: true);
        Add("guest-suspend-ram", power, control.SuspendToRam, isSilent: true);
        Add("guest-suspend-disk", power, control.SuspendToDisk, isSilent: true);
        Add("guest-suspend-hybrid", power, control.SuspendHybrid, isSilent: true);
        Add("guest-get-time", TimeMethods.Get.Name, control.GetTime);
        Add("guest-set-time", TimeMethods.Set.Name, control.SetTime);
        Add("guest-file-open", read, static call => call.Client.Files.Open(call));
        Add(new QgaCommand("guest-file-read", read, static call => call.Client.Files.ReadAsync(call)));
        Add("guest-file-write", write, static call => call.Client.Files.Write(call));
        Add("guest-file-seek", read, static call => call.Client.Files.Seek(call));
        Add("guest-file-flush", read, static call => call.Client.Files.Flush(call));
        Add("guest-file-close", read, static call => call.Client.Files.Close(call));
        Add("guest-exec", exec, static call => call.Client.Programs.Start(call));
        Add(new QgaCommand("guest-exec-status", exec, static call => call.Client.Programs.StatusAsync(call)));
        Add("guest-get-osinfo", info, QgaFacts.System);
        Add("guest-get-host-name", info, QgaFacts.Host);
        Add("guest-get-timezone", info, QgaFacts.TimeZone);
        Add("guest-get-users", info, QgaFacts.Users);
        Add("guest-get-load", info, QgaFacts.Load);
        Add("guest-get-cpustats", info, QgaFacts.CpuStats);
        Add("guest-get-fsinfo", info, call => QgaStorage.FileSystems(call, services.FileSystems));
        Add("guest-get-disks", info, QgaStorage.Disks);
        Add("guest-get-diskstats", info, QgaStorage.Counters);
        Add("guest-network-get-interfaces", info, QgaNetwork.Interfaces);
        Add("guest-network-get-route", info, QgaNetwork.Routes);
        Add("guest-get-vcpus", info, QgaHardware.GetProcessors);
        Add("guest-set-vcpus", power, QgaHardware.SetProcessors);
        Add("guest-get-memory-blocks", info, QgaHardware.GetMemory);
        Add("guest-set-memory-blocks", power, QgaHardware.SetMemory);
        Add("guest-get-memory-block-info", info, QgaHardware.MemoryInfo);
        Add("guest-ssh-get-authorized-keys", read, accounts.GetKeys);
        Add("guest-ssh-add-authorized-keys", write, accounts.AddKeys);
        Add("guest-ssh-remove-authorized-keys", write, accounts.RemoveKeys);
        Add(new QgaCommand("guest-set-user-password", write, accounts.SetPasswordAsync));
    }

    /// <summary>Their names.</summary>
    public IReadOnlyCollection<string> Names => _table.Keys;

    /// <summary>The command of a request, which has passed the policy.</summary>
    /// <exception cref="QgaException">There is none, or it may not be called now.</exception>
    /// <exception cref="ChannelException">The policy refuses it.</exception>
    public QgaCommand Enter(string name)
    {
        if (!_table.TryGetValue(name, out var command))
        {
            throw new QgaException($"The command {name} has not been found", QgaException.CommandNotFound);
        }

        if (WhyNot(command) is { } reason)
        {
            throw QgaException.Disabled(name, reason);
        }

        if (command.Method is { } method)
        {
            _gate.Pass(method, name);
        }

        return command;
    }

    private string? WhyNot(QgaCommand command) =>
        !_config().QgaCommands.Allows(command.Name) ? ""
        : !command.WhileFrozen && _freeze.IsFrozen ? FrozenReason
        : command.Method is { } method ? _gate.WhyNot(method) : null;

    private static void Sync(QgaCall call)
    {
        var id = call.Arguments.Integer("id");
        call.Arguments.End();
        call.Json.WriteNumberValue(id);
    }

    private void Info(QgaCall call)
    {
        call.Arguments.End();
        var json = call.Json;
        json.WriteStartObject();
        json.WriteString("version"u8, AgentVersion.Text);
        json.WriteStartArray("supported_commands"u8);
        foreach (var command in _table.Values)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, command.Name);
            json.WriteBoolean("enabled"u8, WhyNot(command) is null);
            json.WriteBoolean("success-response"u8, !command.IsSilent);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void Quick(string name, string? method, Action<QgaCall> run) =>
        Add(new QgaCommand(name, method, QgaCommand.AtOnce(run)) { IsQuick = true, WhileFrozen = true });

    private void Add(string name, string? method, Action<QgaCall> run, bool isSilent = false) =>
        Add(new QgaCommand(name, method, QgaCommand.AtOnce(run)) { IsSilent = isSilent });

    private void Add(QgaCommand command) => _table.Add(command.Name, command);
}
