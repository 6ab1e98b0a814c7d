using ChannelSdk.Cli.Commands;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Demo;

/// <summary>Installs a system onto a blank disk in an appliance, with one deadline.</summary>
/// <param name="system">The system.</param>
/// <param name="folder">For all files of the demo.</param>
/// <param name="appliance">The appliance's folder.</param>
/// <param name="definitions">The folder of OS definitions.</param>
/// <param name="transport">How the appliance's agent reaches this host.</param>
/// <param name="forwardProgram">Path of channel-forward.</param>
/// <param name="guestEndpoint">Where the agent of the installed system will find this host.</param>
internal sealed class DemoInstall(DemoSystem system, string folder, string appliance, string definitions, ApplianceTransport transport, string forwardProgram, string guestEndpoint)
{
    /// <summary>The disk.</summary>
    public string Disk { get; } = Path.Combine(folder, "disk.img");

    /// <summary>Installs; draws a bar for each half.</summary>
    /// <exception cref="ChannelException">It did not succeed.</exception>
    public async Task<InstallResult> RunAsync(CancellationToken cancellationToken)
    {
        using (var disk = File.Create(Disk))
        {
            disk.SetLength(system.DiskBytes);
        }

        var package = Path.Combine(folder, "personal.tar.gz");
        DemoPackage.Write(package, system.Files(guestEndpoint));
        var records = new InstanceRecordStore(Path.Combine(folder, "records"));
        records.Put(system.Describe(new InstanceRecord { Name = "demo", Mode = ExecutionMode.Install, PersonalizationUrl = $"file://{package}" }, guestEndpoint));
        var installer = new Installer(new InstallerOptions
        {
            Folder = Path.Combine(folder, "state"),
            Records = records,
            Definitions = new DefinitionCatalog(definitions),
            Launcher = new QemuLauncher(ApplianceFolder.Options(appliance) with { Transport = transport, ForwardProgram = forwardProgram }),
            Deadline = TimeSpan.FromMinutes(5),
            // Scripts on this host find channelctl, which is built beside this program, without a path.
            TrustedPath = $"{AppContext.BaseDirectory}:{InstallerOptions.DefaultPath}",
        });
        var operation = installer.Start(new InstallRequest { Instance = "demo", Disks = [new TargetDisk(Disk)], Secrets = system.Secrets() });
        await using var stopping = cancellationToken.Register(operation.Cancel);
        await InstallView.ShowAsync(operation.Events.ReadAsync(0, CancellationToken.None), json: false);
        var result = await operation.Completion;
        cancellationToken.ThrowIfCancellationRequested();
        return result.Outcome == InstallOutcome.Succeeded ? result
            : throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"the installation ended as {result.Outcome}: {result.Reason}");
    }
}
