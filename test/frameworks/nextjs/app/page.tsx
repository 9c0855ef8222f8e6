export default function Page() {
  return <h1>The site</h1>;
}
