using System.Security.Cryptography;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Memory;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The files of which the random numbers of the next boot are made (systemd-random-seed.service(8), and the boot loader's).</summary>
internal sealed class SeedStep() : RepairStep("seeds")
{
    private const int MaxBytes = 4096;
    private const int Piece = 256;
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly string[] s_files =
        ["/var/lib/systemd/random-seed", "/boot/loader/random-seed", "/efi/loader/random-seed", "/boot/efi/loader/random-seed", "/var/lib/urandom/random-seed"];

    public override StepEnd Do(RepairRun run)
    {
        var count = 0;
        foreach (var file in s_files)
        {
            if (FileIdentity.Of(run.At(file)) is not { IsRegular: true })
            {
                continue;
            }

            var seed = new byte[Math.Clamp((int)Math.Min(new FileInfo(run.At(file)).Length, MaxBytes), 32, MaxBytes)];
            for (var at = 0; at < seed.Length; at += Piece)
            {
                KernelRandom.Fill(seed.AsSpan(at, Math.Min(Piece, seed.Length - at)));
            }

            ReplacedFile.Write(run.At(file), seed, Owner);
            CryptographicOperations.ZeroMemory(seed);
            count++;
        }

        return count > 0 ? StepEnd.Done() : StepEnd.Skipped("there are no files of seeds");
    }
}
